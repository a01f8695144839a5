-- ARGV from 2: since, limit, bytes of envelopes, bytes of the largest envelope.
-- Answers the head, whether changes after `since` are gone, and the changes.
local since, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local room, largest = tonumber(ARGV[4]), tonumber(ARGV[5])
local tip = redis.call('HMGET', META, 'head', 'floor')
local head, floor = tonumber(tip[1] or 0), tonumber(tip[2] or 0)
local found, last_seen, batch_end = {}, since, since

local function envelope_of(revision, key)
    local record = redis.call('HGET', ENTRIES, key)
    if not record or parse(record) ~= revision then
        return ''
    end
    local size = redis.call('HSTRLEN', VALUES, key)
    if size > largest or size > room then
        return ''
    end
    room = room - size
    return redis.call('HGET', VALUES, key)
end

local function read(from, to, most)
    for _, change in ipairs(redis.call('XRANGE', CHANGES, text(from) .. '-0', to, 'COUNT', most)) do
        local revision, fields = tonumber(string.match(change[1], '^%d+')), change[2]
        local op, key, digest, at, last = fields[2], fields[4], fields[6], fields[8], fields[10]
        local envelope = op == 'set' and envelope_of(revision, key) or ''
        found[#found + 1] = { revision, op, key, digest, at, tonumber(last), envelope }
        last_seen, batch_end = revision, tonumber(last)
    end
end

if since < floor then
    return { head, 1, found }
end
if since < head then
    read(since + 1, '+', limit)
    if last_seen < batch_end then
        read(last_seen + 1, text(batch_end) .. '-0', batch_end - last_seen)
    end
end
return { head, 0, found }
