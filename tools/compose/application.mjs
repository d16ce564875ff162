// An example program: it knows a socket and the name of a secret. It never prints the secret.
import { createHash } from 'node:crypto';
import { request } from 'node:http';

const once = process.argv.includes('--once');
let last = '';
for (;;) {
  try {
    const { version, value } = await read('app/password');
    const hash = createHash('sha256').update(value).digest('hex').slice(0, 12);
    const line = `app/password: version ${version}, ${value.length} characters, SHA-256 ${hash}…`;
    if (line !== last) process.stdout.write(`${line}\n`);
    last = line;
    if (once) process.exit(0);
  } catch (error) {
    process.stdout.write(`app/password cannot be read: ${error.message}\n`);
    if (once) process.exit(1);
  }
  await new Promise((resolve) => setTimeout(resolve, 1_000));
}

function read(name) {
  const path = `/v1/secrets/${encodeURIComponent(name)}`;
  return new Promise((resolve, reject) => {
    request({ socketPath: '/run/sallyport/agent.sock', path, timeout: 3_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.once('end', () =>
        response.statusCode === 200
          ? resolve(JSON.parse(text))
          : reject(new Error(`answered ${response.statusCode}`)),
      );
    })
      .once('error', reject)
      .end();
  });
}
