local NAMESPACE, CHANNEL, NOW, KEPT, SLACK = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])

local tip = redis.call('HMGET', META, 'head', 'floor')
local head, floor = tonumber(tip[1] or 0), tonumber(tip[2] or 0)
local before = redis.call('ZCARD', ORDER)

-- As `rules.holds`: -1 is any, 0 the revision of what is not there, -2 any entry, -3 none.
local function holds(expect, revision)
    return expect == -1 or expect == revision or (expect == -2 and revision > 0)
end

local function refused(key, record)
    if not record then
        return { 'refused' }
    end
    return { 'refused', record, redis.call('HGET', VALUES, key) }
end

local function log(revision, op, key, digest, last)
    redis.call('XADD', CHANGES, text(revision) .. '-0',
        'op', op, 'key', key, 'digest', digest, 'at', NOW, 'last', text(last))
end

local function compact()
    if head - floor > KEPT + SLACK then
        floor = head - KEPT
        redis.call('XTRIM', CHANGES, 'MINID', text(floor + 1) .. '-0')
    end
end

local function count(size)
    redis.call('HINCRBY', STORE, 'entries', size - before)
    if size == 0 then
        redis.call('ZREM', NAMES, NAMESPACE)
        redis.call('ZREM', SIZES, NAMESPACE)
    else
        redis.call('ZADD', NAMES, 0, NAMESPACE)
        -- Negative, so that the largest come first and equal ones by name.
        redis.call('ZADD', SIZES, -size, NAMESPACE)
    end
end

-- Moves the head, and tells: returns the number of this move among all of the store.
local function commit(new_head)
    head = new_head
    compact()
    redis.call('HSET', META, 'head', text(head), 'floor', text(floor))
    local size = redis.call('ZCARD', ORDER)
    if size ~= before then
        count(size)
    end
    local move = redis.call('HINCRBY', STORE, 'moves', 1)
    redis.call('ZADD', MOVED, move, NAMESPACE)
    redis.call('PUBLISH', CHANNEL, text(move) .. ' ' .. text(head) .. ' ' .. NAMESPACE)
    return move
end
