/*
 * The two APIs that the mock LLM speaks.
 */

#ifndef MOCK_DIALECT_H
#define MOCK_DIALECT_H


enum mock_dialect {
    MOCK_OPENAI,
    MOCK_ANTHROPIC
};


#endif /* MOCK_DIALECT_H */
