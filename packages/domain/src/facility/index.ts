// Wrappers of the operations of schema/facility.
export { allocateBed, transferBed, type AllocateBedInput, type TransferBedInput } from './allocate-bed.ts'
export { type Bed, type BedAllocation } from './bed.ts'
export { closeBed, finishCleaning, reopenBed } from './bed-upkeep.ts'
export { expireBedReservations, releaseBedReservation, reserveBed, type ReserveBedInput } from './reserve-bed.ts'
