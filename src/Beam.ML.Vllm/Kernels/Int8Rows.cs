using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// Activations of 8 bits. Each row is rounded by itself, in groups of 32 inputs with a scale each, so that the largest becomes ±127. A
/// block of rows is laid out group by group: the codes of each row, then for each row what a sum of its products starts at, its scale,
/// and the sum of its codes.
/// </summary>
internal static unsafe class Int8Rows
{
    public const int GroupInputs = 32;

    /// <summary>Bytes of a group of one row.</summary>
    public const int GroupBytes = GroupInputs + sizeof(int) + sizeof(float) + sizeof(float);

    public static int CodesOffset(int row) => row * GroupInputs;

    /// <summary>Where the start of a row's sums is: what takes back that the codes of weights are too large.</summary>
    public static int StartOffset(int row, int rows) => (rows * GroupInputs) + (row * sizeof(int));

    public static int ScaleOffset(int row, int rows) => (rows * (GroupInputs + sizeof(int))) + (row * sizeof(float));

    public static int SumOffset(int row, int rows) => (rows * (GroupInputs + sizeof(int) + sizeof(float))) + (row * sizeof(float));

    /// <summary>Rounds a row and writes it to its places in a block of so many rows; groups past the end of the row are zeros.</summary>
    /// <param name="source">The row.</param>
    /// <param name="inputs">Its length.</param>
    /// <param name="order">The input at each place; null for 0, 1, 2 …</param>
    /// <param name="groups">Groups in the block.</param>
    /// <param name="excess">How much larger than weights their codes are.</param>
    /// <param name="block">The block.</param>
    /// <param name="row">The row's place in it.</param>
    /// <param name="rows">Rows that it has.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(float* source, int inputs, int[]? order, int groups, int excess, byte* block, int row, int rows)
    {
        var gathered = stackalloc float[GroupInputs];
        for (var group = 0; group < groups; group++, block += rows * GroupBytes)
        {
            var first = group * GroupInputs;
            var left = Math.Clamp(inputs - first, 0, GroupInputs);
            var values = source + first;
            if (left < GroupInputs || order is not null)
            {
                for (var i = 0; i < GroupInputs; i++) gathered[i] = i < left ? source[order is null ? first + i : order[first + i]] : 0;
                values = gathered;
            }

            var sum = PackGroup(values, (sbyte*)(block + CodesOffset(row)), (float*)(block + ScaleOffset(row, rows)));
            *(int*)(block + StartOffset(row, rows)) = -excess * sum;
            *(float*)(block + SumOffset(row, rows)) = sum;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int PackGroup(float* values, sbyte* codes, float* scale)
    {
        Vector512<float> low = Vector512.Load(values), high = Vector512.Load(values + 16);

        // The sizes of floats are in the order of their bits as integers, and those of what is no number are the largest.
        var sizes = Vector512.Max(low.AsInt32() & Vector512.Create(int.MaxValue), high.AsInt32() & Vector512.Create(int.MaxValue));
        var four = Vector128.Max(Vector256.Max(sizes.GetLower(), sizes.GetUpper()).GetLower(), Vector256.Max(sizes.GetLower(), sizes.GetUpper()).GetUpper());
        var largest = BitConverter.Int32BitsToSingle(Math.Max(Math.Max(four[0], four[1]), Math.Max(four[2], four[3])));
        *scale = largest / 127;
        var factor = Vector512.Create(largest > 0 ? 127 / largest : 0);
        Vector512<int> a = Avx512F.ConvertToVector512Int32(low * factor), b = Avx512F.ConvertToVector512Int32(high * factor);
        Avx512F.ConvertToVector128SByteWithSaturation(a).Store(codes);
        Avx512F.ConvertToVector128SByteWithSaturation(b).Store(codes + 16);
        return Vector512.Sum(a + b);
    }
}
