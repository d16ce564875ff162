import { hash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { chainEvents, GENESIS, type ChainHead, type ChainLink } from './audit-chain.ts';
import type { JsonValue } from './canonical-json.ts';
import { ChainVerifier, type ChainVerdict, type FoundLink } from './verify-audit.ts';

/** Events differ, as those of the control plane do by their ids. */
const events = fc.uniqueArray(
  fc.record({
    id: fc.uuid(),
    action: fc.string(),
    details: fc.dictionary(fc.string(), fc.string()),
  }),
  { minLength: 1, maxLength: 30, selector: ({ id }) => id },
);
const chains = events.map((made) => chainEvents(GENESIS, JSON.parse(JSON.stringify(made))));
const place = fc.nat(1_000);

function verify(links: FoundLink[], checkpoints: ChainHead[] = []): ChainVerdict {
  const verifier = new ChainVerifier(GENESIS, checkpoints);
  for (const link of links) verifier.add(link);
  return verifier.end();
}

/** A list in a list in a list, so many times. */
function nested(levels: number): JsonValue {
  let value: JsonValue = [];
  for (let level = 1; level < levels; level += 1) value = [value];
  return value;
}

function headOf(links: ChainLink[]): ChainHead {
  const { position, hash } = links.at(-1) ?? GENESIS;
  return { position, hash };
}

function broken(kind: string, position: number) {
  return { intact: false, break: { kind, position } };
}

describe('[F-19] [A7-17] a chain', () => {
  test('hashes what the documentation says, and begins after 32 bytes of zero', () => {
    const previous = Buffer.alloc(32).toString('base64');
    const text = `{"event":{"id":1},"position":1,"previous":"${previous}"}`;
    expect(chainEvents(GENESIS, [{ id: 1 }])).toEqual([
      { position: 1, hash: hash('sha256', text, 'base64'), event: { id: 1 } },
    ]);
  });

  test('that nobody touched is intact up to its head, also from the middle and across checkpoints', () => {
    fc.assert(
      fc.property(chains, place, (links, at) => {
        const head = headOf(links);
        expect(verify(links, [head, head])).toEqual({ intact: true, head, checkpoints: 2 });
        const middle = headOf(links.slice(0, at % links.length));
        const verifier = new ChainVerifier(middle, [GENESIS, middle, head]);
        for (const link of links.slice(middle.position)) verifier.add(link);
        expect(verifier.end()).toMatchObject({ intact: true, head });
      }),
    );
  });

  test('names the event that was edited', () => {
    fc.assert(
      fc.property(chains, place, fc.string(), (links, at, text) => {
        const index = at % links.length;
        const edited = links.map((link, here) =>
          here === index ? { ...link, event: { edited: text } } : link,
        );
        expect(verify(edited)).toEqual(broken('edited', index + 1));
      }),
    );
  });

  test.each([
    ['a number without end', Infinity],
    ['half of a surrogate pair', '\uD800'],
    ['levels without end', nested(50_000)],
  ])('names the event that was given %s, which nobody can have recorded', (_, value) => {
    const [first, second, ...rest] = chainEvents(GENESIS, [{ id: 1 }, { id: 2 }, { id: 3 }]);
    if (first === undefined || second === undefined) throw new Error('the chain is too short');
    const edited = [first, { ...second, event: { id: 2, value } }, ...rest];
    expect(verify(edited)).toEqual(broken('edited', 2));
    expect(verify([...edited.slice(0, 2), { ...second, event: { value } }])).toEqual(
      broken('edited', 2),
    );
  });

  test('names the event that was deleted, and the row that is gone', () => {
    fc.assert(
      fc.property(chains, place, (links, at) => {
        const index = at % links.length;
        const kind = index === links.length - 1 ? 'truncated' : 'deleted';
        expect(verify(links.toSpliced(index, 1), [headOf(links)])).toEqual(broken(kind, index + 1));
        const without = links.map((link, here) =>
          here === index ? { position: link.position, hash: link.hash } : link,
        );
        expect(verify(without)).toEqual(broken('deleted', index + 1));
      }),
    );
  });

  test('names the first of two that were swapped, as lines or under their positions', () => {
    fc.assert(
      fc.property(chains, place, place, (links, one, other) => {
        const [first, second] = [one % links.length, other % links.length].toSorted(
          (a, b) => a - b,
        );
        const [a, b] = [links[first ?? 0], links[second ?? 0]];
        fc.pre(a !== undefined && b !== undefined && a !== b);
        if (a === undefined || b === undefined) return;
        const lines = links.with(a.position - 1, b).with(b.position - 1, a);
        expect(verify(lines)).toEqual(broken('reordered', a.position));
        const contents = links
          .with(a.position - 1, { ...a, event: b.event })
          .with(b.position - 1, { ...b, event: a.event });
        expect(verify(contents)).toEqual(broken('reordered', a.position));
      }),
    );
  });

  test('that is cut off is as good as a whole one, but for the checkpoint that names what followed', () => {
    fc.assert(
      fc.property(chains, place, (links, at) => {
        const kept = links.slice(0, at % links.length);
        expect(verify(kept)).toMatchObject({ intact: true });
        expect(verify(kept, [headOf(links)])).toEqual(broken('truncated', kept.length + 1));
      }),
    );
  });

  test('that is written anew as a whole is given away by the checkpoint alone', () => {
    fc.assert(
      fc.property(chains, place, (links, at) => {
        const index = at % links.length;
        const forged = links.map(({ event }, here) => (here === index ? { forged: true } : event));
        const rewritten = chainEvents(GENESIS, forged);
        expect(verify(rewritten)).toMatchObject({ intact: true });
        expect(verify(rewritten, [headOf(links)])).toEqual(broken('rewritten', links.length));
      }),
    );
  });

  test('names a link that comes twice', () => {
    const links = chainEvents(GENESIS, ['a', 'b', 'c']);
    expect(verify([...links.slice(0, 2), ...links.slice(1)])).toEqual(broken('reordered', 2));
  });

  test('that begins after a base does not prove the base, unless a checkpoint does', () => {
    const links = chainEvents(GENESIS, ['a', 'b', 'c']);
    const wrong = { position: 1, hash: GENESIS.hash };
    const verifier = new ChainVerifier(wrong, [headOf(links.slice(0, 1))]);
    expect(verifier.end()).toEqual(broken('rewritten', 1));
  });
});
