-- ARGV: this Redis' replication id, an epoch for the case that one begins, our format.
-- Answers the epoch, the store's latest move, and the store's format.
local STORE = KEYS[1]
local known = redis.call('HMGET', STORE, 'replid', 'epoch', 'format')
if known[3] and tonumber(known[3]) > tonumber(ARGV[3]) then
    return { '', 0, tonumber(known[3]) }
end
if not known[2] or known[1] ~= ARGV[1] then
    redis.call('HSET', STORE, 'replid', ARGV[1], 'epoch', ARGV[2], 'format', ARGV[3])
end
return { redis.call('HGET', STORE, 'epoch'), tonumber(redis.call('HGET', STORE, 'moves') or 0), tonumber(ARGV[3]) }
