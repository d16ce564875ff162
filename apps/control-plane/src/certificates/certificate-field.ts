/** Where a certificate's chain and key live: the place that their ciphertext is bound to. */
export function certificateField(bodyId: string) {
  return { table: 'certificate_bodies', row: bodyId, field: 'sealed_body' };
}
