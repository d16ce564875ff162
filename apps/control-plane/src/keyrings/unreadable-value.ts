import type { Place } from '@sallyport/crypto/envelope';
import { AppError } from '../platform/app-error.ts';

/** A stored value that does not open where it stands: it was changed, moved, or its key is not there. */
export class UnreadableValue extends AppError {
  readonly place: Place;

  constructor(place: Place, cause?: Error) {
    const { table, field, row, keyVersion } = place;
    super(
      'envelope.unreadable',
      'A stored value cannot be opened; the log and the audit name where.',
      {
        privateDetail: `${table}.${field} of row ${row}, key version ${keyVersion}`,
        cause,
      },
    );
    this.place = place;
  }
}
