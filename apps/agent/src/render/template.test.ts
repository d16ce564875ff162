import { expect, test } from '@jest/globals';
import { renderTemplate } from './template.ts';

const source = { secret: async () => 'can-ary', config: async () => ({}) };

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

test.each([
  ['an unknown filter', '\n  {{ "a" | secrets }}', 'line 2, column 3: there is no filter secrets'],
  [
    'an unknown tag',
    '{% secret "a" %}',
    'line 1, column 1: there is no tag secret, or nothing that',
  ],
  ['a tag that is not closed', '\n{%- if\n1 %}', 'line 2, column 1: the tag if is not closed'],
  ['an output that is not closed', 'p={{ "a\nb', 'line 1, column 3: an output is not closed'],
  ['an assignment of nothing', '{% assign x = %}', 'line 1, column 14: this is no template'],
])('[SG-18] of %s the place and the name are told', async (_, text, message) => {
  await expect(renderTemplate(text, 'shop.liquid', source)).rejects.toMatchObject({
    code: 'template.invalid',
    message: expect.stringContaining(`shop.liquid, ${message}`),
    advice: expect.stringContaining('see that all tags and filters there exist'),
  });
});

test.each([
  [
    'what a filter fails on',
    'p | prepend: "%a" | url_decode',
    ', line 2, column 1: the filter url_decode',
  ],
  [
    'a condition that is none',
    '(1..2) | where_exp: "i", q',
    ', line 2, column 1: the filter where_exp',
  ],
])('[SG-18] a value that is %s is told nowhere', async (_, text, message) => {
  const template = `{% assign p = "a" | secret %}{% assign q = p | prepend: "i == %" %}\n{{ ${text} }}`;
  const failing = renderTemplate(template, 'shop.liquid', source);
  await expect(failing).rejects.toMatchObject({
    code: 'template.failed',
    message: `shop.liquid${message} cannot work on what it is given`,
  });
  await expect(failing).rejects.not.toHaveProperty('cause');
});

test.each([
  ['i == nothing', 'nothing is not there'],
  ['1 | secret', 'what a value is asked for by is no text'],
])(
  '[SG-18] of a condition %s the place of its filter in the template is told',
  async (condition, message) => {
    const template = `\n{{ (1..2) | where_exp: "i", "${condition}" }}`;
    await expect(renderTemplate(template, 'shop.liquid', source)).rejects.toMatchObject({
      message: `shop.liquid, line 2, column 1: ${message}`,
    });
  },
);

test('[SG-18] a value that is the name of a member that is not there is told nowhere', async () => {
  const template = '{% assign c = "b" | config %}{% assign p = "a" | secret %}\n{{ c[p] }}';
  await expect(renderTemplate(template, 'shop.liquid', source)).rejects.toMatchObject({
    code: 'template.value_missing',
    message: 'shop.liquid, line 2, column 4: a value is not there',
  });
});
