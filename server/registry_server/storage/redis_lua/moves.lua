-- ARGV from 2: the beginning of a namespace's keys, the move already known, how many at most.
-- Answers the store's latest move; then for each namespace that moved since its move, its head and its name.
local known, most = ARGV[3], ARGV[4]
local found = { tonumber(redis.call('HGET', STORE, 'moves') or 0) }
local moved = redis.call('ZRANGE', MOVED, '(' .. known, '+inf', 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
for i = 1, #moved, 2 do
    local head = redis.call('HGET', ARGV[2] .. '{' .. moved[i] .. '}:meta', 'head')
    found[#found + 1] = { tonumber(moved[i + 1]), tonumber(head or 0), moved[i] }
end
return found
