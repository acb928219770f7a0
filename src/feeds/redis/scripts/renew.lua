-- Holds a claim for longer, and says how much lies under it.
-- KEYS: the claim's list and lease; ARGV: token, lease in ms
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return -1 end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return redis.call('LLEN', KEYS[1])
