export { createDeliveryKey, openStoredDeliveryKey, startEpoch } from './delivery-keys.ts';
