import type { Role } from '@sallyport/contract';
import { AppError } from '../platform/app-error.ts';
import { newId } from '../platform/new-id.ts';
import { allows, type Permission } from './policy.ts';

/** Who acts. `anonymous` has shown no credential that was believed. */
export type Actor =
  | { kind: 'operator'; id: string; name: string; role: Role }
  | { kind: 'agent'; id: string; name: string }
  | { kind: 'system'; id?: undefined; name: string }
  | { kind: 'anonymous'; id?: undefined; name: string };

/** One act in progress: who, from where, under which request id. Every service call takes one. */
export class Operation {
  readonly actor: Actor;
  readonly requestId: string;
  readonly address: string;

  constructor(actor: Actor, requestId: string, address: string) {
    this.actor = actor;
    this.requestId = requestId;
    this.address = address;
  }

  /** @throws AppError `permission.denied` unless policy gives the actor this permission */
  authorize(permission: Permission): void {
    if (this.actor.kind === 'operator' && allows(this.actor.role, permission)) return;
    throw new AppError(
      'permission.denied',
      `This needs the permission ${permission}; ask an owner or admin for a role that has it.`,
    );
  }
}

/** An act of the control plane itself, such as its periodic work. */
export function systemOperation(name: string): Operation {
  return new Operation({ kind: 'system', name }, newId(), 'local');
}
