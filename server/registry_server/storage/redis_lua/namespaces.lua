-- ARGV from 2: the beginning of a namespace's keys, prefix, after, limit.
-- Answers name, number of entries and head of each, up to one more than the limit.
local base, prefix, after, limit = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local first = after >= prefix and '(' .. after or '[' .. prefix
local last = prefix == '' and '+' or '(' .. prefix .. '\255'
if after == '' and prefix == '' then
    first = '-'
end
local found = {}
for _, name in ipairs(redis.call('ZRANGE', NAMES, first, last, 'BYLEX', 'LIMIT', 0, limit + 1)) do
    local size = redis.call('ZCARD', base .. '{' .. name .. '}:order')
    local head = redis.call('HGET', base .. '{' .. name .. '}:meta', 'head')
    found[#found + 1] = { name, size, tonumber(head or 0) }
end
return found
