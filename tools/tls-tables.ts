import { cipherSuite, cipherSuites, suitesNotProvided } from '@sallyport/tls/cipher-suites';
import { links } from '@sallyport/tls/link-registry';
import { defaultTlsPolicy, suiteFits, tlsVersions } from '@sallyport/tls/policy';

/** The links of docs/tls.md, a Markdown line each. */
export function linkTable(): string[] {
  return [
    '| link | program | direction | secured by | versions and suites |',
    '| --- | --- | --- | --- | --- |',
    ...links.map(({ name, program, direction, secured, tls }) => {
      const set = 'blocks' in tls ? tls.blocks.map((key) => `\`${key}\``).join(', ') : tls.fixed;
      return `| ${name} | \`${program}\` | ${direction} | ${secured} | ${set} |`;
    }),
  ];
}

/** The cipher suites of docs/tls.md. */
export function suiteTable(): string[] {
  const isDefault = new Set<string>(defaultTlsPolicy.cipherSuites);
  const known = cipherSuites.map((name) => {
    const fitting = tlsVersions.filter((version) => suiteFits(name, version));
    const versions = [...new Set([fitting.at(0), fitting.at(-1)])].join(' to ');
    const standing = isDefault.has(name) ? 'default' : 'weak';
    return `| \`${name}\` | \`${cipherSuite(name).openSsl}\` | ${versions} | ${standing} |`;
  });
  const missing = Object.values(suitesNotProvided)
    .flat()
    .map((name) => `| \`${name}\` | | | refused: not provided |`);
  return [
    '| IANA name | OpenSSL’s name | versions | |',
    '| --- | --- | --- | --- |',
    ...known,
    ...missing,
  ];
}
