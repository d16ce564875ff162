type Scalar = string | number | boolean | null;
/** Details of an act as they are stored: masked and bounded. */
export type StoredDetails = Record<string, Scalar | string[] | Record<string, Scalar>>;

/** One recorded act as it is stored, but for `seq`, which the database gives. */
export type AuditRow = {
  id: string;
  at: Date;
  actorKind: string;
  actorId: string | null;
  actorName: string;
  action: string;
  subject: string;
  groupId: string | null;
  outcome: string;
  address: string;
  requestId: string;
  details: StoredDetails;
};
