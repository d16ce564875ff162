import { expect, test } from '@jest/globals';
import { renderTemplate } from './template.ts';

const source = { secret: async () => 'canary', config: async () => ({}) };

test.each([
  ['time', '{{ "a" | secret }}', 0],
  ['time in a loop', '{% for i in (1..3) %}{{ "a" | secret }}{% endfor %}', 0],
  ['memory', '{% for i in (1..100000001) %}x{% endfor %}', 60_000],
])('[SG-18] a template that takes more %s than it may is told as that', async (_, text, maxMs) => {
  await expect(renderTemplate(text, 'shop.liquid', source, maxMs)).rejects.toMatchObject({
    code: 'template.failed',
    message: expect.stringMatching(/^shop\.liquid.*: it takes more time or memory than it may$/),
  });
});
