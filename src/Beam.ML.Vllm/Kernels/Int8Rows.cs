using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// Activations of 8 bits. Each row is rounded by itself, in groups of 32 inputs with a scale each, so that the largest becomes ±127. A
/// block of rows is laid out group by group: the codes of each row; for each row what a sum of its products starts at; each row's scale.
/// </summary>
internal static unsafe class Int8Rows
{
    public const int GroupInputs = 32;

    /// <summary>Bytes of a group of one row.</summary>
    public const int GroupBytes = GroupInputs + sizeof(int) + sizeof(float);

    public static int CodesOffset(int row) => row * GroupInputs;

    /// <summary>Where the start of a row's sums is: what takes back that weights are multiplied with 128 too much.</summary>
    public static int StartOffset(int row, int rows) => (rows * GroupInputs) + (row * sizeof(int));

    public static int ScaleOffset(int row, int rows) => (rows * (GroupInputs + sizeof(int))) + (row * sizeof(float));

    /// <summary>Rounds a row and writes it to its places in a block of so many rows; groups past the end of the row are zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(float* source, int inputs, int groups, byte* block, int row, int rows)
    {
        var rest = stackalloc float[GroupInputs];
        for (var group = 0; group < groups; group++, block += rows * GroupBytes)
        {
            var left = Math.Clamp(inputs - (group * GroupInputs), 0, GroupInputs);
            var values = source + (group * GroupInputs);
            if (left < GroupInputs)
            {
                for (var i = 0; i < GroupInputs; i++) rest[i] = i < left ? values[i] : 0;
                values = rest;
            }

            PackGroup(values, (sbyte*)(block + CodesOffset(row)), (int*)(block + StartOffset(row, rows)), (float*)(block + ScaleOffset(row, rows)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PackGroup(float* values, sbyte* codes, int* start, float* scale)
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
        *start = -128 * Vector512.Sum(a + b);
    }
}
