import { randomUUID } from 'node:crypto'
import type { RaceClinic } from '../races/clinic.fixture.ts'

/** Makes an active user with made-up contact data and returns the id. */
export async function addUser({ as, tenant }: RaceClinic): Promise<string> {
  const id = randomUUID()
  await as(async (tx) => {
    await tx.query(
      `insert into auth.users (tenant_id, id, username, display_name, primary_role, email_enc, email_bidx)
       values ($1, $2, $2::uuid::text, 'Test', 'nurse', '\\x00', sha256($2::uuid::text::bytea))`,
      [tenant, id],
    )
    await tx.query(`update auth.users set status = 'active' where id = $1`, [id])
  })
  return id
}
