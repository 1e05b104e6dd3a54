namespace Beam.ML.Vllm.StructuredOutput.Automata;

/// <summary>
/// A set of stacks of states, in a canonical form: for each state on top the set of stacks below it, and whether the empty stack is a
/// member. Equal sets are the same object, so that a place in the output is one node however it was reached, and all that is known about it
/// (where each byte leads, which tokens fit) is kept with it.
/// </summary>
internal sealed class StackNode
{
    public StackNode(int id, int[] states, StackNode[] below, bool isEnd)
    {
        (Id, States, Below, IsEnd) = (id, states, below, isEnd);
        var hash = new HashCode();
        hash.Add(isEnd);
        for (var i = 0; i < states.Length; i++)
        {
            hash.Add(states[i]);
            hash.Add(below[i].Id);
            Depth = Math.Max(Depth, below[i].Depth + 1);
        }
        Hash = hash.ToHashCode();
    }

    public int Id { get; }

    /// <summary>The states on top, ascending.</summary>
    public int[] States { get; }

    /// <summary>For each of them the stacks below.</summary>
    public StackNode[] Below { get; }

    /// <summary>Whether the empty stack is in the set: of a place in the output, whether the text may end there.</summary>
    public bool IsEnd { get; }

    public int Depth { get; }

    public int Hash { get; }

    /// <summary>Whether nothing is in the set.</summary>
    public bool IsDead => States.Length == 0 && !IsEnd;

    /// <summary>Where each class of bytes leads, as far as it is known.</summary>
    public StackNode?[]? Next { get; set; }

    /// <summary>Where the characters that JSON writes as themselves lead, once it is known; see <see cref="PlainText"/>.</summary>
    public StackNode[]? AfterPlain { get; set; }

    public bool SameAs(StackNode other) =>
        Hash == other.Hash && IsEnd == other.IsEnd && States.AsSpan().SequenceEqual(other.States) && Below.AsSpan().SequenceEqual(other.Below);

    public sealed class Comparer : IEqualityComparer<StackNode>
    {
        public static Comparer Instance { get; } = new();

        public bool Equals(StackNode? x, StackNode? y) => x!.SameAs(y!);

        public int GetHashCode(StackNode obj) => obj.Hash;
    }
}
