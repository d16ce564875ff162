import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startControlPlane, WITHOUT_WORKER, type TestControlPlane } from '../control-plane.ts';

let controlPlane: TestControlPlane;
beforeAll(async () => {
  controlPlane = await startControlPlane({ settings: WITHOUT_WORKER });
});
afterAll(() => controlPlane.end());

const schema = { hide: true };
const answer = async () => 'served';

test.each([
  ['operator API', 'operatorApp', 'secret:read', 'agent'],
  ['agent API', 'agentApp', 'agent', 'secret:read'],
] as const)(
  '[AT-04] no route of the %s is made without a permission of that API, so that none is open by forgetting it',
  async (_, name, own, foreign) => {
    const app = controlPlane[name];
    const message = "GET /left-open needs a config.permission of its API, or 'public'";
    expect(() => app.get('/left-open', { schema }, answer)).toThrow(message);
    expect(() =>
      app.get('/left-open', { schema, config: { permission: foreign } }, answer),
    ).toThrow(message);
    app.get('/guarded', { schema, config: { permission: own } }, answer);
    app.get('/open', { schema, config: { permission: 'public' } }, answer);
    expect((await app.inject('/left-open')).statusCode).toBe(404);
    expect((await app.inject('/open')).body).toBe('served');
  },
);
