/** Where a version's value lives: the place that its ciphertext is bound to. */
export function secretValueField(versionId: string) {
  return { table: 'secret_versions', row: versionId, field: 'sealed_value' };
}
