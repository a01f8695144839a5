-- ARGV from 2: prefix, created after, limit, bytes of envelopes, whether with envelopes.
-- Answers the head, whether more follow, and key, record and envelope of each entry.
local prefix, after, limit = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local room, values = tonumber(ARGV[5]), ARGV[6] == '1'
local FEW, STEP = 1000, 500
local entries, more = {}, false

-- Whether there may be room for another one.
local function take(key)
    local envelope = ''
    if #entries == limit then
        more = true
    elseif values then
        room = room - redis.call('HSTRLEN', VALUES, key)
        more = room < 0 and #entries > 0
        envelope = not more and redis.call('HGET', VALUES, key) or ''
    end
    if not more then
        entries[#entries + 1] = { key, redis.call('HGET', ENTRIES, key), envelope }
    end
    return not more
end

-- All keys with the prefix, sorted by age: for a prefix that few have.
local function by_key(first, last)
    local found = {}
    for _, key in ipairs(redis.call('ZRANGE', BY_KEY, first, last, 'BYLEX')) do
        local created = tonumber(redis.call('ZSCORE', ORDER, key))
        if created > after then
            found[#found + 1] = { created, key }
        end
    end
    table.sort(found, function(one, other) return one[1] < other[1] end)
    for _, one in ipairs(found) do
        if not take(one[2]) then
            return
        end
    end
end

-- All keys by age, those with the prefix among them: for one that many have.
local function in_order()
    local step = prefix == '' and math.min(limit + 1, STEP) or STEP
    while true do
        local found = redis.call(
            'ZRANGE', ORDER, '(' .. text(after), '+inf', 'BYSCORE', 'LIMIT', 0, step, 'WITHSCORES')
        for i = 1, #found, 2 do
            after = tonumber(found[i + 1])
            if string.sub(found[i], 1, #prefix) == prefix and not take(found[i]) then
                return
            end
        end
        if #found < 2 * step then
            return
        end
    end
end

-- UTF-8 has no byte 255.
local first, last = '[' .. prefix, '(' .. prefix .. '\255'
local matching = prefix ~= '' and redis.call('ZLEXCOUNT', BY_KEY, first, last)
-- To find `limit` of `matching` keys by age takes limit * size / matching steps, by key `matching`.
if matching and (matching <= FEW or matching * matching <= limit * redis.call('ZCARD', ORDER)) then
    by_key(first, last)
else
    in_order()
end
return { tonumber(redis.call('HGET', META, 'head') or 0), more and 1 or 0, entries }
