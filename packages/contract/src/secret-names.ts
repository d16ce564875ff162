/** Parts of names of what should not stand in clear; compared without case, `_`, `-` and the like. */
const SECRET_PARTS = [
  'password',
  'passwd',
  'passphrase',
  'secret',
  'token',
  'credential',
  'apikey',
  'accesskey',
  'privatekey',
  'sshkey',
  'signingkey',
  'encryptionkey',
  'connectionstring',
];
/** Too short to be looked for inside of other words. */
const SECRET_WORDS = new Set(['pass', 'pwd', 'psk', 'pem', 'dsn', 'bearer']);

/** Whether a field of this name probably holds a secret. */
export function looksSecret(name: string): boolean {
  const letters = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const [lastWord = ''] = name
    .replaceAll(/([a-z0-9])(?=[A-Z])/g, '$1 ')
    .split(/[^A-Za-z0-9]+/)
    .slice(-1);
  return (
    SECRET_PARTS.some((part) => letters.includes(part)) || SECRET_WORDS.has(lastWord.toLowerCase())
  );
}
