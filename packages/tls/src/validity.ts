import type { X509Certificate } from 'node:crypto';

/** What is printed of a time that is none. The date of one is made of uninitialised memory, and may be any. */
const NO_TIME = 'Bad time value';

/** Since when and until when a certificate is valid. Its author may have put anything there: what is no time is an invalid date. */
export function validityOf(certificate: X509Certificate): { from: Date; to: Date } {
  const { validFrom, validFromDate, validTo, validToDate } = certificate;
  return { from: timeOf(validFrom, validFromDate), to: timeOf(validTo, validToDate) };
}

function timeOf(printed: string, time: Date): Date {
  return printed === NO_TIME ? new Date(NaN) : time;
}

/** Whether it is valid at an instant; never where it says so of no time. */
export function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  const { from, to } = validityOf(certificate);
  return from.getTime() <= nowMs && nowMs < to.getTime();
}

/** One of these in ISO 8601. */
export function writtenTime(time: Date): string {
  return Number.isNaN(time.getTime()) ? 'no time' : time.toISOString();
}
