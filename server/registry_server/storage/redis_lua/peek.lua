-- ARGV[2]: a key. Answers the head, how many entries there are, and whether the key is taken.
return {
    tonumber(redis.call('HGET', META, 'head') or 0),
    redis.call('ZCARD', ORDER),
    redis.call('HEXISTS', ENTRIES, ARGV[2]),
}
