/** The operations of schema/facility that an application may call. */
export const facilityOperations = {} as const
