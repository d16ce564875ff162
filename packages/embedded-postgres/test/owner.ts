// A control plane as the embedded server sees it: owns the server in argv[2] until it is killed.
import { startEmbeddedPostgres } from '../src/start.ts';

const [, , directory = ''] = process.argv;
try {
  const { url, adopted } = await startEmbeddedPostgres({
    directory,
    database: 'sallyport',
    fsync: false,
  });
  console.log(JSON.stringify({ url, adopted }));
} catch (cause) {
  console.error(cause instanceof Error ? cause.message : cause);
  process.exit(1);
}
