import { randomUUID } from 'node:crypto'
import type { Transaction } from '@imhotep/postgres'
import { openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'

export interface Person {
  readonly user: string
  readonly staff: string
}

/** A clinic with a pharmacy store, a ward, and people who ask, approve and count. */
export interface Stores extends RaceClinic {
  readonly store: string
  readonly ward: string
  readonly asker: Person
  readonly approver: Person
  readonly counter: Person
  /** Runs work as one of them; the asker by default. */
  readonly by: <T>(work: (tx: Transaction) => Promise<T>, person?: Person) => Promise<T>
}

export async function openStores(connections = 4): Promise<Stores> {
  const clinic = await openRaceClinic(connections)
  const [store, ward] = [await addLocation(clinic, 'PHARMACY', 'store'), await addLocation(clinic, 'WARD', 'ward')]
  const asker = await addPerson(clinic)
  const approver = await addPerson(clinic)
  const counter = await addPerson(clinic)
  const by: Stores['by'] = (work, person = asker) => clinic.as(work, person.user)
  return { ...clinic, store, ward, asker, approver, counter, by }
}

async function addLocation(clinic: RaceClinic, code: string, kind: string): Promise<string> {
  const id = randomUUID()
  await clinic.asSuperuser(
    `insert into facility.locations (tenant_id, id, clinic_id, kind, code, name) values ($1, $2, $3, $4, $5, $5)`,
    [clinic.tenant, id, clinic.clinic, kind, code],
  )
  return id
}

/** Makes an active doctor with a staff record. */
export async function addPerson(clinic: RaceClinic): Promise<Person> {
  const [user, staff] = [randomUUID(), randomUUID()]
  // letters only: chance could make digits look like a national number
  const code = user.replaceAll(/\d/g, (digit) => 'ghijklmnop'.charAt(Number(digit)))
  await clinic.asSuperuser(
    `insert into auth.users (tenant_id, id, username, display_name, primary_role, email_enc, email_bidx)
     values ($1, $2, $3, 'Test', 'doctor', '\\x00', sha256($3::text::bytea))`,
    [clinic.tenant, user, code],
  )
  await clinic.asSuperuser(`update auth.users set status = 'active' where id = $1`, [user])
  await clinic.asSuperuser(
    `insert into workforce.staff (
       tenant_id, id, user_id, employee_code, given_name, sex, phone_enc, phone_bidx, kind, department_id, designation,
       employment_type, joined_on
     )
     values ($1, $2, $3, $4, 'Test', 'unknown', '\\x00', sha256($4::text::bytea), 'pharmacist', $5, 'Pharmacist',
       'full_time', '2020-01-01')`,
    [clinic.tenant, staff, user, code, clinic.department],
  )
  return { user, staff }
}

/** Makes an item; `changes` are columns that differ from a plain drug. */
export async function addItem(stores: Stores, changes: Record<string, unknown> = {}): Promise<string> {
  const id = randomUUID()
  const row = {
    tenant_id: stores.tenant,
    id,
    sku: `S-${id.replaceAll(/\d/g, 'x')}`,
    name: 'Test',
    kind: 'drug',
    base_unit: 'tablet',
    ...changes,
  }
  const names = Object.keys(row)
  await stores.by((tx) =>
    tx.query(
      `insert into inventory.items (${names.join(', ')}) values (${names.map((_, index) => `$${index + 1}`).join(', ')})`,
      Object.values(row),
    ),
  )
  return id
}

export interface BatchOptions {
  readonly item: string
  /** Days from today until its last day of use. */
  readonly expiresIn: number
  /** Put into the pharmacy as opening stock. */
  readonly quantity?: number
}

let batches = 0

/** Makes an available batch with stock in the pharmacy. */
export async function addBatch(stores: Stores, { item, expiresIn, quantity = 0 }: BatchOptions): Promise<string> {
  const id = randomUUID()
  await stores.by(async (tx) => {
    await tx.query(
      `insert into inventory.batches (tenant_id, id, item_id, batch_no, expiry_on, purchase_price)
       values ($1, $2, $3, $4, core.tenant_today() + $5::int, 2.50)`,
      [stores.tenant, id, item, `B${++batches}`, Math.max(expiresIn, 1)],
    )
    await tx.query('select inventory.release_batch($1)', [id])
  })
  if (quantity > 0) {
    await stores.by((tx) =>
      tx.query(`select inventory.post_movement('opening', $1, $2, $3, 'opening', $2, $4, 'first count', $5)`, [
        stores.store,
        id,
        quantity,
        `opening:${id}`,
        stores.approver.staff,
      ]),
    )
  }
  if (expiresIn < 1) await ageBatch(stores, id, expiresIn)
  return id
}

/** Lets a batch expire, as time would. */
async function ageBatch({ asSuperuser }: Stores, batch: string, expiresIn: number): Promise<void> {
  // balances follow the expiry by their key, so both change in one statement
  await asSuperuser(
    `with aged as (
       update inventory.batches set expiry_on = core.tenant_today() + $2::int where id = $1 returning id, expiry_on
     )
     update inventory.stock_balances b set expiry_on = aged.expiry_on from aged where b.batch_id = aged.id`,
    [batch, expiresIn],
  )
}

export interface Balance {
  readonly batch: string
  readonly on_hand: number
  readonly reserved: number
}

export function balances(stores: Stores, location = stores.store): Promise<Balance[]> {
  return stores.superuser.query<Balance>(
    `select batch_id as batch, on_hand::float8 as on_hand, reserved::float8 as reserved
     from inventory.stock_balances where store_location_id = $1 order by expiry_on, batch_id`,
    [location],
  )
}

/**
 * Balances that are not the sum of their ledger, whose reserved part is not what active reservations promise, or whose
 * ledger does not lead from one balance_after to the next.
 */
export function stockOutOfStep({ superuser, tenant }: Stores): Promise<unknown[]> {
  return superuser.query(
    `
    select b.id, b.on_hand, b.reserved, ledger.total, promised.total as promised, ledger.broken
    from inventory.stock_balances b
    cross join lateral (
      select coalesce(sum(m.quantity), 0) as total, count(*) filter (where m.balance_after <> m.running) as broken
      from (
        select quantity, balance_after, sum(quantity) over (order by moved_at, id) as running
        from inventory.stock_movements
        where store_location_id = b.store_location_id and batch_id = b.batch_id
      ) m
    ) ledger
    cross join lateral (
      select coalesce(sum(r.quantity - r.consumed), 0) as total
      from inventory.stock_reservations r
      where r.store_location_id = b.store_location_id and r.batch_id = b.batch_id and r.status = 'active'
    ) promised
    where b.tenant_id = $1
      and (b.on_hand <> ledger.total or b.reserved <> promised.total or b.on_hand < 0 or ledger.broken > 0)`,
    [tenant],
  )
}
