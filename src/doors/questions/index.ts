// Questions about a study that is here, by the JSON API: each becomes a workitem, answered 202 before it is worked on.
// It never waits for an answer, and the words of a question go to the store alone, never to a log.
// Main types: QuestionBody, Asked.
export { questionsRouter, type QuestionsOptions } from './router.ts';
export { questionSchema, type Asked, type QuestionBody } from './schema.ts';
