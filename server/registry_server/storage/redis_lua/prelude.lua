local STORE, MOVED, NAMES, SIZES, META, ENTRIES, VALUES, ORDER, BY_KEY, CHANGES = unpack(KEYS)

-- An answer is of the history that the server takes it for, or there is none.
if redis.call('HGET', STORE, 'epoch') ~= ARGV[1] then
    return redis.error_reply('EPOCH the store has begun another history')
end

local function text(number)
    return string.format('%.0f', number)
end

-- An entry without its envelope: "<revision> <created> <updated_at> <digest>".
local function parse(record)
    local revision, created, updated_at, digest = string.match(record, '^(%d+) (%d+) (%S+) (.*)$')
    return tonumber(revision), tonumber(created), updated_at, digest
end
