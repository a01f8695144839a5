-- ARGV from 7: whether all or nothing; then key, envelope, digest and expectation of each write.
-- Answers whether it was applied, the head, the move, and for each write what happened, the record, and the
-- head after it.
local atomic = ARGV[7] == '1'
local outcomes, stores, any_refused = {}, {}, false
local at = head

for i = 8, #ARGV, 4 do
    local key, envelope, digest, expect = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
    local record = redis.call('HGET', ENTRIES, key)
    local revision, created, old_digest, _ = 0, at + 1, nil, nil
    if record then
        revision, created, _, old_digest = parse(record)
    end
    if not holds(expect, revision) then
        any_refused = true
        outcomes[#outcomes + 1] = refused(key, record)
    -- Equal envelopes have equal digests: only then is the stored one read.
    elseif old_digest == digest and redis.call('HGET', VALUES, key) == envelope then
        outcomes[#outcomes + 1] = { 'unchanged', record, at }
    else
        at = at + 1
        local new = text(at) .. ' ' .. text(created) .. ' ' .. NOW .. ' ' .. digest
        outcomes[#outcomes + 1] = { record and 'replaced' or 'created', new, at }
        stores[#stores + 1] = { key, envelope, digest, new, at, not record }
    end
end

if atomic and any_refused then
    return { 0, head, 0, outcomes }
end
if #stores == 0 then
    return { 1, head, 0, outcomes }
end
for _, store in ipairs(stores) do
    local key, envelope, digest, record, revision, created = unpack(store)
    redis.call('HSET', ENTRIES, key, record)
    redis.call('HSET', VALUES, key, envelope)
    if created then
        redis.call('ZADD', ORDER, text(revision), key)
        redis.call('ZADD', BY_KEY, 0, key)
    end
    log(revision, 'set', key, digest, at)
end
local move = commit(at)
return { 1, head, move, outcomes }
