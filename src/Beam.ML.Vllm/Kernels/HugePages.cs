using System.Runtime.InteropServices;

namespace Beam.ML.Vllm.Kernels;

/// <summary>
/// Asks Linux to back a large buffer with 2 MiB pages: weights are read once a step from end to end, and with small pages a good part of
/// that time goes into address translation. Elsewhere, or where the kernel refuses, nothing changes but speed.
/// </summary>
internal static unsafe partial class HugePages
{
    public const nuint Size = 2 << 20;

    private const int MadvHugePage = 14;

    public static void Advise(void* data, nuint bytes)
    {
        if (bytes >= Size && OperatingSystem.IsLinux()) _ = Madvise(data, bytes, MadvHugePage);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Madvise(void* address, nuint length, int advice);
}
