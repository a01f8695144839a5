-- ARGV[7]: the head that the namespace must have; -1 for any.
-- Answers how many entries went (-1 if the head is another), the head, and the move.
local expected = tonumber(ARGV[7])
if expected ~= -1 and expected ~= head then
    return { -1, head, 0 }
end
if before == 0 then
    return { 0, head, 0 }
end
redis.call('UNLINK', ENTRIES, VALUES, ORDER, BY_KEY)
log(head + 1, 'clear', '', '', head + 1)
local move = commit(head + 1)
return { before, head, move }
