-- Answers how many entries went, the head, and the move.
if before == 0 then
    return { 0, head, 0 }
end
redis.call('UNLINK', ENTRIES, VALUES, ORDER, BY_KEY)
log(head + 1, 'clear', '', '', head + 1)
local move = commit(head + 1)
return { before, head, move }
