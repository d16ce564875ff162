export { keepReplies } from './keep-replies.ts';
export { exchangePlace, forgetReplies } from './idempotency.service.ts';
