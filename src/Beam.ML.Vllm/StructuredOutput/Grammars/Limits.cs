namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>Bounds that keep a hostile constraint from taking more than its share of time and memory. No useful one comes near them.</summary>
internal static class Limits
{
    /// <summary>Characters of a constraint's text.</summary>
    public const int TextLength = 4 << 20;

    /// <summary>Groups in groups of a regular expression or a grammar, and values in values of a schema.</summary>
    public const int Nesting = 128;

    /// <summary>The highest count of a repetition.</summary>
    public const int Repetition = 1 << 20;

    public const int Rules = 1 << 16;

    /// <summary>States of the automata of all rules together.</summary>
    public const int States = 1 << 19;

    /// <summary>Edges of the same.</summary>
    public const int Edges = 1 << 21;

    /// <summary>States of an automaton that is made for an intersection or a complement.</summary>
    public const int DfaStates = 1 << 14;

    /// <summary>Steps that such a construction may take.</summary>
    public const int DfaWork = 1 << 23;

    /// <summary>Rules within rules at any place of the output; what would go deeper is not allowed there.</summary>
    public const int StackDepth = 1024;

    /// <summary>Steps that finding out where a token leads, or which tokens fit, may take.</summary>
    public const int MatchWork = 1 << 18;

    /// <summary>Schemas that are looked at, with every combination of choices, when a JSON schema is taken apart.</summary>
    public const int SchemaWork = 1 << 17;

    public static StructuredOutputException TooLarge(string what) =>
        new($"The structured output constraint is too large: it has more than {what}. Use smaller repetition counts, or fewer alternatives.");
}
