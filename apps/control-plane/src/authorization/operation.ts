import type { Role } from '@sallyport/contract';
import { plainAddress } from '@sallyport/tls/plain-address';
import { AppError } from '../platform/app-error.ts';
import type { Db } from '../platform/db.ts';
import { newId } from '../platform/new-id.ts';
import { allows, isOpen, permissionsOf, type Permission } from './policy.ts';

/** A role that is held in one group, or everywhere when `groupId` is null. */
export type Grant = { role: Role; groupId: string | null };

/** Whoever has shown a credential of the operator API, which is good until `expiresAt`. */
export type Principal = {
  kind: 'operator' | 'apiKey';
  id: string;
  name: string;
  grants: readonly Grant[];
  expiresAt: Date;
};

/** Who acts. `anonymous` has shown no credential that was believed. */
export type Actor =
  | Principal
  | { kind: 'agent'; id: string; name: string }
  | { kind: 'system'; id?: undefined; name: string }
  | { kind: 'anonymous'; id?: undefined; name: string };

/** What a credential allowed this long ago counts as allowed: a revocation holds within two seconds. */
export const FRESH_MS = 1_000;

/** One act in progress: who, from where, under which request id. Every service call takes one. */
export class Operation {
  readonly actor: Actor;
  readonly requestId: string;
  readonly address: string;
  /** Called in the transaction that does the act, when it is recorded. */
  onAct: ((tx: Db) => Promise<void>) | undefined;
  /** Looks at the caller's credential again, for a reply that takes its time: throws when it has ended. */
  renew: (() => Promise<Operation>) | undefined;

  constructor(actor: Actor, requestId: string, address: string) {
    this.actor = actor;
    this.requestId = requestId;
    this.address = plainAddress(address);
  }

  /**
   * Asks for the right to do this everywhere; what belongs to a group is asked for with `authorizeIn`.
   *
   * @throws AppError `permission.denied` unless policy gives the actor this permission
   */
  authorize(permission: Permission): void {
    if (!this.#may(permission, null)) throw this.#denied({ permission });
  }

  /**
   * Asks for the right to do this in one group. Who may not even see the group is told what it would be
   * told if the thing were not there: `missing` makes that.
   *
   * @throws AppError `permission.denied`, or `missing`
   */
  authorizeIn(groupId: string, permission: Permission, missing: () => AppError): void {
    if (this.#may(permission, groupId)) return;
    const denial = { permission, groupId };
    if (this.#may('group:read', groupId)) throw this.#denied(denial);
    throw missing().deniedAs(denial);
  }

  /**
   * The error for a thing that is not there. For a caller who may not see every group it is audited as a refusal, as
   * for a hidden thing: neither the words nor the time tell the two apart.
   */
  absent(permission: Permission, missing: () => AppError): AppError {
    return this.#may('group:read', null) ? missing() : missing().deniedAs({ permission });
  }

  /**
   * The groups in which the actor holds a permission; `undefined` when in all.
   *
   * @throws AppError `permission.denied` when in none
   */
  groupsWith(permission: Permission): string[] | undefined {
    if (this.#may(permission, null)) return undefined;
    const held = this.#grants.filter(({ role }) => allows(role, permission));
    if (held.length === 0) throw this.#denied({ permission });
    return [...new Set(held.flatMap(({ groupId }) => groupId ?? []))];
  }

  /** Nobody gives what they do not hold. @throws AppError `permission.denied` */
  authorizeGrant({ role, groupId }: Grant): void {
    const beyond = permissionsOf(role).find((permission) => !this.#may(permission, groupId));
    if (beyond !== undefined)
      throw this.#denied({ permission: beyond, ...(groupId === null ? {} : { groupId }) });
  }

  get #grants(): readonly Grant[] {
    return 'grants' in this.actor ? this.actor.grants : [];
  }

  #may(permission: Permission, groupId: string | null): boolean {
    if (isOpen(permission)) return 'grants' in this.actor;
    return this.#grants.some(
      (grant) =>
        (grant.groupId === null || grant.groupId === groupId) && allows(grant.role, permission),
    );
  }

  #denied(denial: { permission: Permission; groupId?: string }): AppError {
    return new AppError(
      'permission.denied',
      `This needs the permission ${denial.permission}; ask an owner or admin for a role that has it.`,
    ).deniedAs(denial);
  }
}

/** Whether each of these grants is among those that somebody holds. */
export function holdsAll(held: readonly Grant[], grants: readonly Grant[]): boolean {
  return grants.every(({ role, groupId }) =>
    held.some((grant) => grant.role === role && grant.groupId === groupId),
  );
}

/** An act of the control plane itself, such as its periodic work. */
export function systemOperation(name: string): Operation {
  return new Operation({ kind: 'system', name }, newId(), 'local');
}
