export {
  createDeliveryKey,
  openDeliveryKey,
  openStoredDeliveryKey,
  startEpoch,
} from './delivery-keys.ts';
