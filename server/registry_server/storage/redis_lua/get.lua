-- ARGV from 2: how many bytes of envelopes there is room for; then the keys.
-- Answers the head, and for each key its record and envelope, or nothing.
local room, first = tonumber(ARGV[2]), true
local found = { tonumber(redis.call('HGET', META, 'head') or 0) }

for i = 3, #ARGV do
    local key = ARGV[i]
    local record = redis.call('HGET', ENTRIES, key)
    if record then
        room = room - redis.call('HSTRLEN', VALUES, key)
        local fits = first or room >= 0
        first = false
        found[#found + 1] = { record, fits and redis.call('HGET', VALUES, key) or '' }
    else
        found[#found + 1] = false
    end
end
return found
