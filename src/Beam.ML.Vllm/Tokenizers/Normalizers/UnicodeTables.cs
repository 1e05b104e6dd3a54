using System.Buffers.Binary;

namespace Beam.ML.Vllm.Tokenizers.Normalizers;

/// <summary>
/// Decompositions, combining classes and compositions of Unicode. The framework's own normalization needs ICU, which a machine with
/// only the SDK lacks: there <see cref="string.Normalize()"/> returns its input.
/// </summary>
internal sealed class UnicodeTables
{
    private static readonly Lazy<UnicodeTables> Shared = new(Load);

    private readonly Dictionary<int, (int[] Canonical, int[] Compatible)> _decompositions;
    private readonly Dictionary<int, byte> _classes;
    private readonly Dictionary<(int, int), int> _compositions;

    private UnicodeTables(
        Dictionary<int, (int[], int[])> decompositions, Dictionary<int, byte> classes, Dictionary<(int, int), int> compositions) =>
        (_decompositions, _classes, _compositions) = (decompositions, classes, compositions);

    public static UnicodeTables Instance => Shared.Value;

    /// <summary>The full decomposition of a code point, or empty if it stands for itself. Hangul is not here.</summary>
    public ReadOnlySpan<int> Decomposition(int point, bool compatible) =>
        !_decompositions.TryGetValue(point, out var found) ? default : compatible && found.Compatible.Length > 0 ? found.Compatible : found.Canonical;

    /// <summary>The canonical combining class: 0 for a character that others combine with.</summary>
    public int CombiningClass(int point) => point < 0x300 ? 0 : _classes.GetValueOrDefault(point);

    /// <summary>The composite of two code points, or -1.</summary>
    public int Compose(int first, int second) => _compositions.TryGetValue((first, second), out var composite) ? composite : -1;

    private static UnicodeTables Load()
    {
        using var stream = typeof(UnicodeTables).Assembly.GetManifestResourceStream("Beam.ML.Vllm.normalization.bin")
            ?? throw new InvalidOperationException("The assembly lacks its resource normalization.bin.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        var at = 0;
        var (decompositionCount, classCount, compositionCount) = (Int(), Int(), Int());
        var decompositions = new Dictionary<int, (int[], int[])>(decompositionCount);
        for (var i = 0; i < decompositionCount; i++)
        {
            var point = Int();
            var (canonical, compatible) = (new int[bytes[at]], new int[bytes[at + 1]]);
            at += 2;
            for (var k = 0; k < canonical.Length; k++) canonical[k] = Int();
            for (var k = 0; k < compatible.Length; k++) compatible[k] = Int();
            decompositions.Add(point, (canonical, compatible));
        }
        var classes = new Dictionary<int, byte>(classCount);
        for (var i = 0; i < classCount; i++) classes.Add(Int(), bytes[at++]);
        var compositions = new Dictionary<(int, int), int>(compositionCount);
        for (var i = 0; i < compositionCount; i++) compositions.Add((Int(), Int()), Int());
        return new(decompositions, classes, compositions);

        int Int()
        {
            at += 4;
            return BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at - 4));
        }
    }
}
