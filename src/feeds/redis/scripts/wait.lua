-- Puts records of a claim back into the queue under scores of their own: their window is still open.
-- KEYS: the queue's keys, the claim's list and lease
-- ARGV: token, lease in ms, what stands for a key that has left the list, then index, key and score of each
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 'lost' end
redis.call('PEXPIRE', KEYS[3], ARGV[2])
for at = 4, #ARGV, 3 do
  -- The list keeps its length and its order, so that others' indexes stay true.
  if redis.call('LINDEX', KEYS[2], ARGV[at]) == ARGV[at + 1] then
    redis.call('LSET', KEYS[2], ARGV[at], ARGV[3])
    redis.call('ZADD', KEYS[1], ARGV[at + 2], ARGV[at + 1])
  end
end
return 'ok'
