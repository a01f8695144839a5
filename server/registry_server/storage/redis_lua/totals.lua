-- ARGV from 2: the beginning of a namespace's keys, how many of the largest.
-- Answers how many namespaces and entries there are; then name, number of entries and head of the largest.
local base, largest = ARGV[2], tonumber(ARGV[3])
local found = { redis.call('ZCARD', NAMES), tonumber(redis.call('HGET', STORE, 'entries') or 0) }
if largest > 0 then
    local names = redis.call('ZRANGE', SIZES, 0, largest - 1, 'WITHSCORES')
    for i = 1, #names, 2 do
        local head = redis.call('HGET', base .. '{' .. names[i] .. '}:meta', 'head')
        found[#found + 1] = { names[i], -tonumber(names[i + 1]), tonumber(head or 0) }
    end
end
return found
