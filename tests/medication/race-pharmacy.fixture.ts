import { withTenant } from '@imhotep/kernel'
import { openPharmacy, type Pharmacy } from '../../packages/domain/src/medication/medication.fixture.ts'
import { addUser } from '../auth/users.fixture.ts'
import { addPatients, at, openRaceClinic, type RaceClinic } from '../races/clinic.fixture.ts'
import { contextOf } from '../support/tenants.ts'

/** A pharmacy in a clinic of its own, for so many clients at the same time. */
export async function openRacePharmacy(
  connections: number,
): Promise<{ readonly clinic: RaceClinic; readonly pharmacy: Pharmacy }> {
  const clinic = await openRaceClinic(connections)
  const users = [await addUser(clinic), await addUser(clinic)] as const
  const pharmacy = await openPharmacy(
    {
      app: clinic.app,
      admin: clinic.superuser,
      tenant: clinic.tenant,
      users,
      clinicId: clinic.clinic,
      departmentId: clinic.department,
      run: (work, changes = {}) =>
        withTenant(clinic.app, { ...contextOf(clinic.tenant, { user: users[0] }), ...changes }, work),
    },
    at(await addPatients(clinic, 1), 0),
  )
  return { clinic, pharmacy }
}
