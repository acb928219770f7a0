-- Gives an open claim its next state, if it is still held and holds as many keys as its holder has read.
-- KEYS: the table of claims, the claim's list and lease; ARGV: id, token, new entry, how many keys (-1: any number)
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[3] then return 'ok' end
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return 'lost' end
if tonumber(ARGV[4]) >= 0 and redis.call('LLEN', KEYS[2]) ~= tonumber(ARGV[4]) then return 'changed' end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 'ok'
