namespace Beam.ML.Vllm.StructuredOutput.Grammars;

/// <summary>Bounds that keep a hostile constraint from taking more than its share of time and memory. No useful one comes near them.</summary>
internal static class Limits
{
    /// <summary>Characters of a constraint's text.</summary>
    public const int TextLength = 1 << 19;

    /// <summary>Steps of a whole compilation; see <see cref="WorkBudget"/>.</summary>
    public const int CompileWork = 1 << 23;

    /// <summary>Groups in groups of a regular expression or a grammar, and values in values of a schema.</summary>
    public const int Nesting = 128;

    /// <summary>Expressions in expressions, of which a group may need three; what walks over them goes as deep.</summary>
    public const int ExpressionDepth = 512;

    /// <summary>The highest count of a repetition.</summary>
    public const int Repetition = 1 << 20;

    public const int Rules = 1 << 16;

    /// <summary>States of the automata of all rules together.</summary>
    public const int States = 1 << 19;

    /// <summary>Edges of the same.</summary>
    public const int Edges = 1 << 21;

    /// <summary>States of an automaton that is made for an intersection or a complement.</summary>
    public const int DfaStates = 1 << 14;

    /// <summary>Rules within rules at any place of the output; what would go deeper is not allowed there.</summary>
    public const int StackDepth = 1024;

    /// <summary>Steps that finding out where tokens lead, and which fit, may take at once, or of a request beyond those of its tokens.</summary>
    public const int MatchWork = 1 << 18;

    /// <summary>Steps that each token may take for itself.</summary>
    public const int MatchWorkOfToken = 1 << 15;

    /// <summary>Bytes of the places that are kept for a constraint, with where each byte leads from them.</summary>
    public const long PlaceBytes = 16 << 20;

    /// <summary>Bytes of the masks that are kept for a constraint.</summary>
    public const long MaskBytes = 8 << 20;

    public static StructuredOutputException TooLarge(string what) =>
        new($"The structured output constraint is too large: it has more than {what}. Use smaller repetition counts, or fewer alternatives.");
}
