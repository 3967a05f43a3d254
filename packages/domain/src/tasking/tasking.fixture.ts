import { randomUUID } from 'node:crypto'
import type { Transaction } from '@imhotep/postgres'
import { asAdmin, openWardHospital, type WardHospital } from '../clinical/clinical.fixture.ts'
import { createTask, type CreateTaskInput } from './create-task.ts'
import type { MergeOperationInput } from './merge-operation.ts'
import type { Task } from './task.ts'

/** A ward whose first user works the shift that ends, and whose second user the one that begins. */
export interface TaskWard {
  readonly hospital: WardHospital
  readonly fromShift: string
  readonly toShift: string
  readonly asGiver: <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>
  readonly asReceiver: <T>(work: (tx: Transaction) => Promise<T>) => Promise<T>
}

export async function openTaskWard(): Promise<TaskWard> {
  const hospital = await openWardHospital()
  const { users, run } = hospital
  return {
    hospital,
    fromShift: await addShift(hospital, 0),
    toShift: await addShift(hospital, 8),
    asGiver: (work) => run(work, { role: 'nurse' }),
    asReceiver: (work) => run(work, { user: users[1], role: 'nurse' }),
  }
}

/** An open shift of eight hours that begins so many hours from now; returns its id. */
export async function addShift(hospital: WardHospital, hours: number): Promise<string> {
  const id = randomUUID()
  await asAdmin(hospital, async (query) => {
    await query(
      `insert into workforce.shifts (tenant_id, id, department_id, name, kind, starts_at, ends_at)
       values ($1, $2, $3, $4, 'custom', now() + make_interval(hours => $5), now() + make_interval(hours => $5 + 8))`,
      [hospital.tenant, id, hospital.departmentId, id, hours],
    )
    await query(`update workforce.shifts set status = 'open' where tenant_id = $1 and id = $2`, [hospital.tenant, id])
  })
  return id
}

/** A task that the giver made. */
export function addTask({ hospital, asGiver }: TaskWard, changes: Partial<CreateTaskInput> = {}): Promise<Task> {
  const { departmentId } = hospital
  return asGiver((tx) => createTask(tx, { departmentId, title: 'Test', category: 'observation', ...changes }))
}

let ticks = 0

/** A change that a device made to a task (or what `entityType` then names) a moment ago; it had seen the `seen` writes of the server. */
export function change(
  { id }: { readonly id: string },
  patch: Record<string, unknown>,
  { nodeId = 'tablet-1', seen = 1, own = 1, at = Date.now() }: ChangeOptions = {},
): MergeOperationInput {
  ticks += 1
  return {
    opId: randomUUID(),
    nodeId,
    entityType: 'tasks',
    entityId: id,
    patch,
    patchEnc: Buffer.from('encrypted'),
    vectorClock: { server: seen, [nodeId]: own },
    hlc: { physicalUs: BigInt(at) * 1000n, logical: ticks },
  }
}

export interface ChangeOptions {
  readonly nodeId?: string
  readonly seen?: number
  readonly own?: number
  /** Milliseconds since 1970. */
  readonly at?: number
}
