/** The operations of schema/payment that an application may call. */
export const paymentOperations = {} as const
