/** A bed as the operations return it. */
export interface Bed {
  readonly id: string
  readonly locationId: string
  readonly code: string
  readonly bedType: string
  readonly status: 'vacant' | 'reserved' | 'occupied' | 'cleaning' | 'blocked' | 'maintenance'
  readonly currentAllocationId: string | null
  readonly statusChangedAt: Date
  readonly rowVersion: number
}

export const bedColumns = `
  id, location_id as "locationId", code, bed_type as "bedType", status,
  current_allocation_id as "currentAllocationId", status_changed_at as "statusChangedAt",
  row_version as "rowVersion"`

/** Who lies, lay or will lie in which bed. */
export interface BedAllocation {
  readonly id: string
  readonly bedId: string
  readonly encounterId: string
  readonly patientId: string
  readonly kind: 'reservation' | 'occupancy'
  readonly status: 'reserved' | 'active' | 'completed' | 'released' | 'expired'
  readonly reservedUntil: Date | null
  readonly transferFromId: string | null
}

export const bedAllocationColumns = `
  id, bed_id as "bedId", encounter_id as "encounterId", patient_id as "patientId", kind, status,
  reserved_until as "reservedUntil", transfer_from_id as "transferFromId"`
