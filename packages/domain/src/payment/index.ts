// Wrappers of the operations of schema/payment.
export {}
