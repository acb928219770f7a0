-- Takes an open claim whose lease is gone, or is held by an earlier life of this agent.
-- KEYS: the table of claims, the claim's lease
-- ARGV: id, the entry as it was read, the new entry, new token, lease in ms, how this agent's tokens begin
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 'changed' end
local held = redis.call('GET', KEYS[2])
if held and string.sub(held, 1, #ARGV[6]) ~= ARGV[6] then return 'held' end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 'ok'
