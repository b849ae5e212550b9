// What a client of OpenAI's sees, to be printed as JSON:
//
//     const { seen, attempt, describe, print } = watch(OpenAI);
//     await attempt('chat', () => client.chat.completions.create(...));
//     print();

const names = ['AuthenticationError', 'BadRequestError', 'NotFoundError',
               'PermissionDeniedError', 'RateLimitError', 'ConflictError',
               'InternalServerError', 'APIUserAbortError',
               'APIConnectionError'];


export function watch(library) {
    const seen = {};

    function describe(error) {
        return {
            class: names.find((name) => error instanceof library[name])
                   ?? error.constructor.name,
            isAPIError: error instanceof library.APIError,
            status: error.status,
            code: error.code,
            type: error.type,
            param: error.param,
            message: error.message,
            requestID: error.requestID,
        };
    }

    // what came of it, or the error that it threw

    async function attempt(name, code) {
        try {
            seen[name] = { value: await code() };
        } catch (error) {
            seen[name] = { error: describe(error) };
        }
    }

    // a pipe may not take all of it at once

    function print() {
        process.stdout.write(JSON.stringify(seen) + '\n',
                             () => process.exit(0));
    }

    return { seen, attempt, describe, print };
}
