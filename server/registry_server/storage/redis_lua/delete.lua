-- ARGV from 7: whether all or nothing; then key and expectation of each delete.
-- Answers whether it was applied, the head, the move, and for each delete what happened, and the head after it.
local atomic = ARGV[7] == '1'
local outcomes, gone, any_refused = {}, {}, false
local at = head

for i = 8, #ARGV, 2 do
    local key, expect = ARGV[i], tonumber(ARGV[i + 1])
    local record = redis.call('HGET', ENTRIES, key)
    local revision = record and parse(record) or 0
    if not holds(expect, revision) then
        any_refused = true
        outcomes[#outcomes + 1] = refused(key, record)
    elseif record then
        at = at + 1
        outcomes[#outcomes + 1] = { 'deleted', at }
        gone[#gone + 1] = { key, at }
    else
        outcomes[#outcomes + 1] = { 'missing', at }
    end
end

if atomic and any_refused then
    return { 0, head, 0, outcomes }
end
if #gone == 0 then
    return { 1, head, 0, outcomes }
end
for _, one in ipairs(gone) do
    local key, revision = unpack(one)
    redis.call('HDEL', ENTRIES, key)
    redis.call('HDEL', VALUES, key)
    redis.call('ZREM', ORDER, key)
    redis.call('ZREM', BY_KEY, key)
    log(revision, 'delete', key, '', at)
end
local move = commit(at)
return { 1, head, move, outcomes }
