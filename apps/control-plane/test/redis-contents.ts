import { Redis } from 'ioredis';

export type RedisKey = { name: string; bytes: Buffer };

/** Every key of a Redis database, with all that is under it. */
export async function redisContents(url: string): Promise<RedisKey[]> {
  const redis = new Redis(url);
  try {
    const names: string[] = [];
    for await (const found of redis.scanStream({ count: 1_000 })) names.push(...found);
    const read = async (name: string): Promise<RedisKey> => {
      const content = await readKey(redis, name, await redis.type(name));
      return { name, bytes: Buffer.from(JSON.stringify([name, content])) };
    };
    return await Promise.all(names.map(read));
  } finally {
    redis.disconnect();
  }
}

/** Writes one key, as a plant for a search to find. */
export async function plantInRedis(url: string, name: string, text: string): Promise<void> {
  const redis = new Redis(url);
  await redis.hset(name, 'field', text);
  redis.disconnect();
}

/** Leaves nothing of one installation, as if its Redis had been started anew; others may share the server. */
export async function emptyRedis(url: string, prefix: string): Promise<void> {
  const redis = new Redis(url);
  await redis.unlink(await redis.keys(`${prefix}:*`));
  redis.disconnect();
}

async function readKey(redis: Redis, name: string, type: string): Promise<unknown> {
  switch (type) {
    case 'string':
      return redis.get(name);
    case 'list':
      return redis.lrange(name, 0, -1);
    case 'set':
      return redis.smembers(name);
    case 'zset':
      return redis.zrange(name, '0', '-1');
    case 'hash':
      return redis.hgetall(name);
    case 'stream':
      return redis.xrange(name, '-', '+');
    default:
      throw new Error(`there is no reader for keys of type ${type}`);
  }
}
