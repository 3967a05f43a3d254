import { allocateBed, allocateBedSql, transferBed, transferBedSql } from './allocate-bed.ts'
import { closeBed, closeBedSql, finishCleaning, finishCleaningSql, reopenBed, reopenBedSql } from './bed-upkeep.ts'
import {
  expireBedReservations,
  expireBedReservationsSql,
  releaseBedReservation,
  releaseBedReservationSql,
  reserveBed,
  reserveBedSql,
} from './reserve-bed.ts'

/** The operations of schema/facility that an application may call. */
export const facilityOperations = {
  'facility.allocate_bed': { sql: allocateBedSql, call: allocateBed },
  'facility.transfer_bed': { sql: transferBedSql, call: transferBed },
  'facility.reserve_bed': { sql: reserveBedSql, call: reserveBed },
  'facility.release_reservation': { sql: releaseBedReservationSql, call: releaseBedReservation },
  'facility.expire_reservations': { sql: expireBedReservationsSql, call: expireBedReservations },
  'facility.finish_cleaning': { sql: finishCleaningSql, call: finishCleaning },
  'facility.close_bed': { sql: closeBedSql, call: closeBed },
  'facility.reopen_bed': { sql: reopenBedSql, call: reopenBed },
} as const
